// How a command ends, for scripts. docs/reference/cli.md has the same table; a test keeps both in step.

/** Exit codes by what they say. */
export const exitCodes = Object.freeze({
  /** All of it was done. */
  done: 0,
  /** Nothing, or not all, was done; the message says why. */
  failed: 1,
  /** Called wrongly, or not set up: nothing was tried. */
  usage: 2,
  /** Done for some tenants, or places, and failed for others, each of which is named. */
  partly: 3,
  /** Stopped before the end by the error budget or a pause: it can be resumed. */
  halted: 4,
  /** Rows were refused: each is named with the reason. What became of the others, the answer says. */
  refused: 5,
  /** It looked where it should, and found what must be mended. */
  found: 6,
  /** Ended by Ctrl-C or SIGTERM. 128 + SIGINT, as shells have it. */
  interrupted: 130,
})

/** How a verb ended. */
export type Outcome = keyof typeof exitCodes
