// One run of a program: fed, read line by line within bounds, and ended with everything that it started.

import { type ChildProcess, spawn } from 'node:child_process'

export interface CommandRun {
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly input: string
  readonly timeoutMs: number
  readonly graceMs: number
  readonly signal: AbortSignal | undefined
  /** A line of its output. What it throws ends the run. */
  readonly onOut: (line: string) => void
  readonly onErr: (line: string) => void
}

/** How it ended. */
export interface CommandEnd {
  readonly reason: 'exited' | 'aborted' | 'timeout' | 'unstartable' | 'talkative'
  readonly exitCode: number | undefined
  readonly killedBy: NodeJS.Signals | undefined
  readonly problem: string | undefined
}

/** Longest line of output, and all of it. */
const lineLengthMax = 262_144
const outputLengthMax = 16_777_216

/** Resolves when the program has ended, and nothing of its process group is left. @throws what `onOut` throws. */
export async function runCommand(run: CommandRun): Promise<CommandEnd> {
  const { argv, cwd, env, signal } = run
  const ended = (reason: CommandEnd['reason'], rest: Partial<CommandEnd> = {}): CommandEnd => ({
    reason,
    exitCode: undefined,
    killedBy: undefined,
    problem: undefined,
    ...rest,
  })
  if (signal?.aborted === true) return ended('aborted')
  // A group of its own: what the program starts is ended with it, and Ctrl-C in a terminal reaches us first.
  const child = spawn(argv[0], argv.slice(1), { cwd, env: { ...env }, detached: true, stdio: ['pipe', 'pipe', 'pipe'], shell: false })
  let cut: { readonly reason: CommandEnd['reason']; readonly problem?: string; readonly error?: unknown } | undefined
  let force: NodeJS.Timeout | undefined
  const end = (why: typeof cut): void => {
    if (cut !== undefined) return
    cut = why
    signalGroup(child, 'SIGTERM')
    force = setTimeout(() => signalGroup(child, 'SIGKILL'), run.graceMs)
  }
  const guarded = (fn: (line: string) => void) => (line: string) => {
    try {
      if (cut === undefined) fn(line)
    } catch (error) {
      end({ reason: 'talkative', error })
    }
  }
  const onAbort = (): void => end({ reason: 'aborted' })
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => end({ reason: 'timeout' }), run.timeoutMs)
  const tooMuch = (): void => end({ reason: 'talkative', problem: 'it prints too much' })
  readLines(child.stdout, guarded(run.onOut), tooMuch)
  readLines(child.stderr, guarded(run.onErr), tooMuch)
  // A program that does not read its input may close it: its exit code says what it thinks.
  child.stdin.on('error', () => {})
  child.stdin.end(run.input)
  try {
    const exit = await new Promise<CommandEnd>((resolve) => {
      child.once('error', (error) => resolve(ended('unstartable', { problem: error.message })))
      child.once('close', (code, name) => resolve(ended('exited', { exitCode: code ?? undefined, killedBy: name ?? undefined })))
    })
    if (cut === undefined) return exit
    if (cut.error !== undefined) throw cut.error
    return { ...exit, reason: cut.reason, problem: cut.problem }
  } finally {
    clearTimeout(timer)
    clearTimeout(force)
    signal?.removeEventListener('abort', onAbort)
    signalGroup(child, 'SIGKILL')
  }
}

/** Whole lines, within the bounds. The last one needs no line break. */
function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void, tooMuch: () => void): void {
  let rest = ''
  let total = 0
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    total += chunk.length
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    if (total > outputLengthMax || rest.length > lineLengthMax) {
      rest = ''
      tooMuch()
      return
    }
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}

/** To the program and all that it started. A group that is gone is what we want. */
function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // Nobody is left.
  }
}
