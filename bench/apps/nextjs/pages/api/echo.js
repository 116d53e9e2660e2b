export default function handler(request, response) {
  if (request.method !== "POST") return response.status(405).json({ error: "POST only" });
  response.status(200).json({ body: request.body, cookies: request.cookies });
}
