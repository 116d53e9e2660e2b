"use client";
export default function Failure() { return <h1>We are sorry</h1>; }
