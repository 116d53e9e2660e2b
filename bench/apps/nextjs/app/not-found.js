export default function NotFound() { return <h1>No such fruit</h1>; }
