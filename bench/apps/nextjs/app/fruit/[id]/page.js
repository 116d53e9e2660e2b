import { notFound } from "next/navigation";
import { fruits } from "../../../lib/fruits";

export async function generateMetadata({ params }) {
  const { id } = await params;
  return { title: fruits.find((f) => f.id == id)?.name };
}

export default async function Fruit({ params, searchParams }) {
  const { id } = await params;
  const { locale = "en-US", currency = "USD", count = 1, zone = "UTC" } = await searchParams;
  const fruit = fruits.find((f) => f.id == id);
  if (!fruit) notFound();
  const day = new Date(Date.UTC(2024, 6, 3, 22, 30));
  const stock = `${count} ${new Intl.PluralRules(locale).select(Number(count))}`;
  return (
    <article>
      <h1>{fruit.name}</h1>
      <p id="price">{new Intl.NumberFormat(locale, { style: "currency", currency }).format(fruit.price)}</p>
      <p id="day">{new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone: zone }).format(day)}</p>
      <p id="ago">{new Intl.RelativeTimeFormat(locale).format(-3, "day")}</p>
      <p id="list">{new Intl.ListFormat(locale).format(["a", "b", "c"])}</p>
      <p id="name">{new Intl.DisplayNames([locale], { type: "region" }).of("JP")}</p>
      <p id="sorted">{["z", "ä", "a"].sort(new Intl.Collator(locale).compare).join("")}</p>
      <p id="stock">{stock}</p>
    </article>
  );
}
