import Image from "next/image";
import Link from "next/link";
import styles from "./globals.module.css";
import Counter from "./counter";
import { fruits } from "../lib/fruits";

export default function Home() {
  return (
    <main>
      <h1 className={styles.title}>Fruit shop</h1>
      <Image src="/plum.png" width={64} height={64} alt="a plum" />
      <Counter />
      <ul>{fruits.map((f) => <li key={f.id}><Link href={`/fruit/${f.id}`}>{f.name}</Link></li>)}</ul>
    </main>
  );
}
