function hello(wsapi_env) local function body() coroutine.yield("lua " .. wsapi_env.PATH_INFO) end return 200, { ["Content-type"] = "text/plain" }, coroutine.wrap(body) end
return hello
