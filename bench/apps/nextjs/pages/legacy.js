import Head from "next/head";
export async function getServerSideProps({ query }) { return { props: { name: query.name ?? "nobody" } }; }
export default function Legacy({ name }) { return <><Head><title>Legacy</title></Head><p>Hello {name}</p></>; }
