local hashes = require "util.hashes";
module:depends("http");
module:provides("http", {
  default_path = "/greeting";
  route = {
    ["GET"] = function() return "hello from " .. module.host; end;
    ["GET /*"] = function(_, name) return "hello " .. name .. " " .. hashes.sha256(name, true); end;
  };
});
