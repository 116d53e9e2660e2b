module web

go 1.19
