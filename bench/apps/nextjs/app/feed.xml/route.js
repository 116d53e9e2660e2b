import { fruits } from "../../lib/fruits";
export function GET() { return new Response(`<rss>${fruits.map((f) => `<item>${f.name}</item>`).join("")}</rss>`, { headers: { "Content-Type": "application/rss+xml" } }); }
