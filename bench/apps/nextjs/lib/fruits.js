export const fruits = [
  { id: 1, name: "plum", price: 3.5 },
  { id: 2, name: "pear", price: 2 },
];
