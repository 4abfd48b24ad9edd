/** How the nine curves are told apart without their colours: dashes, in the order of the emotions. */
export const DASHES: readonly (readonly number[])[] = [
  [],
  [7, 3],
  [2, 3],
  [12, 3],
  [1, 4],
  [9, 3, 2, 3],
  [5, 2, 5, 5],
  [3, 2],
  [9, 3, 2, 3, 2, 3],
]
