import fs from "node:fs/promises";
import path from "node:path";
import matter from "gray-matter";
import { remark } from "remark";
import gfm from "remark-gfm";
import html from "remark-html";

export const dynamic = "force-dynamic";
export default async function Note({ params }) {
  const { name } = await params;
  const { data, content } = matter(await fs.readFile(path.join(process.cwd(), "content", path.basename(name) + ".md"), "utf8"));
  const body = await remark().use(gfm).use(html).process(content);
  return <article><h1>{data.title}</h1><div dangerouslySetInnerHTML={{ __html: String(body) }} /></article>;
}
