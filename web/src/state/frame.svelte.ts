/** What lies over the page: the drawer of options, and the keys. */
class Frame {
  drawer = $state(false)
  keys = $state(false)
}

export const frame = new Frame()
