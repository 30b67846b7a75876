// A terminal that remembers what it was told, and one command run on it.

import { runCli } from '../../src/cli/run.ts'
import type { Group, Terminal } from '../../src/cli/verb.ts'

export interface RecordedTerminal extends Terminal {
  readonly out: string[]
  readonly err: string[]
  readonly drawn: string[]
}

/** No terminal and nobody to ask, in nobody's directory: no partywall dev runs beside. */
export function recordedTerminal(over: Partial<Terminal> = {}): RecordedTerminal {
  const [out, err, drawn]: [string[], string[], string[]] = [[], [], []]
  return {
    out,
    err,
    drawn,
    print: (line) => void out.push(line),
    note: (line) => void err.push(line),
    draw: (text) => void drawn.push(text),
    isTerminal: false,
    columns: 80,
    interactive: undefined,
    env: {},
    cwd: '/',
    untilStopped: () => new Promise(() => {}),
    ...over,
  }
}

interface Ran {
  readonly code: number
  readonly out: readonly string[]
  readonly err: string
}

/** Runs a command to its end. */
export async function runOn(over: Partial<Terminal>, argv: readonly string[], program?: Group): Promise<Ran> {
  const terminal = recordedTerminal(over)
  return { code: await runCli(argv, terminal, program), out: terminal.out, err: terminal.err.join('\n') }
}
