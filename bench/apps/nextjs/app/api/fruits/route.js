import { fruits } from "../../../lib/fruits";
export const dynamic = "force-dynamic";
export async function GET(request) {
  const name = new URL(request.url).searchParams.get("q") ?? "";
  return Response.json(fruits.filter((f) => f.name.includes(name)));
}
export async function POST(request) {
  const fruit = await request.json().catch(() => null);
  if (!fruit?.name) return Response.json({ error: "a name is needed" }, { status: 400 });
  return Response.json({ ...fruit, id: 3 }, { status: 201 });
}
