local json = require "json"

core.register_service("hello", "http", function(applet)
  local body = json.encode({ path = applet.path, method = applet.method, version = _VERSION })
  applet:set_status(200)
  applet:add_header("content-type", "application/json")
  applet:add_header("content-length", #body)
  applet:start_response()
  applet:send(body)
end)

core.register_converters("shout", function(text)
  return text:upper() .. "!"
end)
