import { revalidatePath } from "next/cache";
import fs from "node:fs/promises";
export const dynamic = "force-dynamic";
async function order(form) {
  "use server";
  await fs.appendFile("/data/orders", form.get("fruit") + "\n");
  revalidatePath("/order");
}
export default async function Order() {
  const orders = await fs.readFile("/data/orders", "utf8").catch(() => "");
  return <form action={order}><p>{orders.split("\n").length - 1} orders</p><input name="fruit" /><button>order</button></form>;
}
