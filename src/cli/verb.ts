// What a verb of the command line is: one file that parses, calls and prints.

import type { ParseArgsOptionsConfig } from 'node:util'

/** The world outside, handed in so that tests own it. `process.env` is read in main.ts. */
export interface Terminal {
  /** A line on standard output: what was asked for, and nothing else. */
  print(line: string): void
  /** A line on standard error: everything that is said beside it. */
  note(line: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Resolves when the user wants the program to end: Ctrl-C, SIGTERM. */
  untilStopped(): Promise<void>
}

/** How a verb was called. */
export interface Invocation {
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
  readonly terminal: Terminal
}

export interface Verb {
  /** One line, for the list of verbs. */
  readonly summary: string
  /** All of `--help`. */
  readonly usage: string
  readonly options: ParseArgsOptionsConfig
  /** Rejects with what went wrong; a TenancyError says what to do. */
  run(invocation: Invocation): Promise<void>
}
