"use client";
import { useState } from "react";
export default function Counter() {
  const [count, more] = useState(0);
  return <button onClick={() => more(count + 1)}>{count} in the basket</button>;
}
