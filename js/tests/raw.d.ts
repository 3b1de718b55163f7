// Vite gives a file as it is where its name ends so.
declare module "*?raw" {
  const text: string;
  export default text;
}
