import { ImageResponse } from "next/og";
export const size = { width: 300, height: 150 };
export const contentType = "image/png";
export const dynamic = "force-dynamic";
export default function Picture() { return new ImageResponse(<div style={{ fontSize: 40, display: "flex" }}>Fruit shop</div>, size); }
