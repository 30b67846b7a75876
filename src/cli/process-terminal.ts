// The terminal of the process itself.

import type { Terminal } from './verb.ts'

/** What of `process` it needs. */
interface OwnProcess {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: Terminal['env']
  cwd(): string
  exit(code: number): void
}

const columnsDefault = 80
/** To the start of the line, and nothing behind it. */
const eraseLine = '\r\u001B[2K'
/** The same, one line higher. */
const eraseLineAbove = '\u001B[1A\u001B[2K'

/** Lines go above what is drawn, whichever of the two streams they are for: on a terminal both end on the same screen. */
export function processTerminal({ stdin, stdout, stderr, env, cwd, exit }: OwnProcess, untilStopped: () => Promise<void>): Terminal {
  const isTerminal = stdout.isTTY === true && stderr.isTTY === true
  let drawn = ''
  const draw = (text: string): void => {
    if (text !== drawn) stderr.write(`${eraseLine}${eraseLineAbove.repeat(drawn.split('\n').length - 1)}${text}`)
    drawn = text
  }
  const write = (stream: NodeJS.WriteStream, line: string): void => {
    const below = drawn
    draw('')
    stream.write(`${line}\n`)
    draw(below)
  }
  // `partywall tenant list | head -1` has read enough: that is no failure of ours, and nothing more needs to be said.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    exit(0)
  })
  return {
    print: (line) => write(stdout, line),
    note: (line) => write(stderr, line),
    draw,
    isTerminal,
    get columns() {
      // A terminal that does not know its size says 0.
      return stderr.columns || columnsDefault
    },
    interactive: isTerminal && stdin.isTTY === true && !env['CI'] ? { input: stdin, output: stdout } : undefined,
    env,
    cwd: cwd(),
    untilStopped,
  }
}
