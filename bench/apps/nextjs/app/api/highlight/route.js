import { codeToHtml } from "shiki";
export async function POST(request) {
  const query = new URL(request.url).searchParams;
  try {
    return new Response(await codeToHtml(await request.text(), { lang: query.get("lang"), theme: query.get("theme") ?? "nord" }));
  } catch (error) {
    return Response.json({ error: error.message }, { status: 400 });
  }
}
