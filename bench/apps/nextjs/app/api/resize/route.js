import sharp from "sharp";
export async function POST(request) {
  const query = new URL(request.url).searchParams;
  const type = query.get("type") ?? "png";
  try {
    let picture = sharp(Buffer.from(await request.arrayBuffer())).resize(Number(query.get("width") ?? 32));
    if (query.get("text")) {
      const label = Buffer.from(`<svg width="32" height="32"><text x="2" y="20" font-size="16" font-family="DejaVu Sans">${query.get("text")}</text></svg>`);
      picture = picture.composite([{ input: label }]);
    }
    if (query.get("grey")) picture = picture.greyscale().blur(1);
    const { data, info } = await picture.toFormat(type).toBuffer({ resolveWithObject: true });
    return new Response(data, { headers: { "Content-Type": "image/" + info.format, "X-Size": `${info.width}x${info.height}` } });
  } catch (error) {
    return Response.json({ error: error.message }, { status: 415 });
  }
}
export async function GET() { return Response.json(sharp.versions); }
