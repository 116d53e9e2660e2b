# prints the titles of a feed
run_feed() { xmlstarlet sel --template --match //item --value-of title --nl "${1:--}"; }
