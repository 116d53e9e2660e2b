import archiver from "archiver";
import { fruits } from "../../../lib/fruits";
export const dynamic = "force-dynamic";
export async function GET(request) {
  const kind = new URL(request.url).searchParams.get("kind") ?? "zip";
  const archive = archiver(kind, { gzip: true });
  for (const f of fruits) archive.append(JSON.stringify(f), { name: `${f.name}.json` });
  archive.finalize();
  const parts = [];
  for await (const part of archive) parts.push(part);
  return new Response(Buffer.concat(parts));
}
