import { NextResponse } from "next/server";

export function middleware(request) {
  if (request.nextUrl.pathname.startsWith("/admin") && request.cookies.get("key")?.value !== "apple")
    return NextResponse.redirect(new URL("/", request.url));
  const response = NextResponse.next();
  response.headers.set("X-Middleware", "yes");
  return response;
}
export const config = { matcher: ["/admin/:path*", "/fruit/:path*"] };
