export async function GET(request) {
  try {
    return new Response((await (await fetch(new URL(request.url).searchParams.get("url"))).text()).slice(0, 100));
  } catch (error) {
    return new Response(`${error.message}: ${error.cause?.code}`, { status: 502 });
  }
}
export const dynamic = "force-dynamic";
