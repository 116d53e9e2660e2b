import { Suspense } from "react";
export const dynamic = "force-dynamic";
async function Slow() { await new Promise((r) => setTimeout(r, 300)); return <p>at last</p>; }
export default function Page() { return <Suspense fallback={<p>waiting</p>}><Slow /></Suspense>; }
