/** How the nine curves are told apart without their colours: dashes, in the order of the emotions. */
export const DASHES: readonly (readonly number[])[] = [
  [],
  [8, 4],
  [2, 3],
  [15, 3],
  [5, 2],
  [10, 3, 2, 3],
  [6, 2, 2, 2],
  [12, 4, 4, 4],
  [2, 6],
]
