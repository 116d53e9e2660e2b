import nodemailer from "nodemailer";
export async function POST(request) {
  const { to } = await request.json();
  const message = { from: "shop@shop.test", to, subject: "Früchte", text: "plum", html: "<b>plum</b>", attachments: [{ filename: "list.csv", content: "plum,3" }] };
  const transport = process.env.MAIL_HOST ? { host: process.env.MAIL_HOST, port: 25 } : { streamTransport: true, buffer: true };
  try {
    const sent = await nodemailer.createTransport(transport).sendMail(message);
    return new Response(sent.message ?? "sent");
  } catch (error) {
    return Response.json({ error: error.message }, { status: 502 });
  }
}
