vcl 4.1;

import std;

backend default {
  .host = "127.0.0.1";
  .port = "8080";
}

acl purgers {
  "localhost";
  "172.16.0.0"/12;
}

sub vcl_recv {
  if (req.method == "PURGE") {
    if (client.ip !~ purgers) { return (synth(405, "Not allowed")); }
    return (purge);
  }
  set req.http.X-Language = std.tolower(regsub(req.http.Accept-Language, "^(..).*$", "\1"));
  if (req.url == "/teapot") { return (synth(418, "I'm a teapot")); }
}

sub vcl_backend_response {
  set beresp.do_esi = bereq.url == "/esi";
}

sub vcl_deliver {
  if (obj.hits > 0) {
    set resp.http.X-Cache = "HIT";
  } else {
    set resp.http.X-Cache = "MISS";
  }
}
