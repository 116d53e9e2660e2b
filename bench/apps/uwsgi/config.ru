run lambda { |env| [200, {"Content-Type" => "text/plain"}, ["ruby #{env["PATH_INFO"]}"]] }
