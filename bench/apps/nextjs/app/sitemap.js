import { fruits } from "../lib/fruits";
export default function sitemap() { return fruits.map((f) => ({ url: `http://shop.test/fruit/${f.id}` })); }
