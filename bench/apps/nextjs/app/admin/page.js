export default function Admin() { return <h1>Behind the counter</h1>; }
