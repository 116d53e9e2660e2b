sub { return [200, ["Content-Type" => "text/plain"], ["perl " . $_[0]->{PATH_INFO}]] };
