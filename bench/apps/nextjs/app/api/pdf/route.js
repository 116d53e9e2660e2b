import PDFDocument from "pdfkit";
export const dynamic = "force-dynamic";
export async function GET(request) {
  const font = new URL(request.url).searchParams.get("font") ?? "Helvetica";
  const document = new PDFDocument();
  const parts = [];
  document.on("data", (part) => parts.push(part));
  const done = new Promise((resolve) => document.on("end", resolve));
  document.font(font.includes("/") ? font : font).fontSize(20).text("Fruit shop").addPage().text("plum").end();
  await done;
  return new Response(Buffer.concat(parts), { headers: { "Content-Type": "application/pdf" } });
}
