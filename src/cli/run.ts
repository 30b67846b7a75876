// The command line: finds the verb, lets commander read its words, and says what went wrong and what to do about it.

import { CommanderError } from 'commander'
import { systemClock } from '../core/clock.ts'
import { AbortedError, ConfigurationError, TenancyError } from '../errors.ts'
import { partywallVersion } from '../partywall-version.ts'
import { allVerbs } from './all-verbs.ts'
import { printable } from './columns.ts'
import { hasSwitch, parseVerb, refuseWords } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { openOutput } from './output.ts'
import { openProgress } from './progress.ts'
import type { Group, Invocation, Terminal, Verb } from './verb.ts'

/** Runs one command. @returns its exit code; see exit-codes.ts. Never throws. */
export async function runCli(argv: readonly string[], terminal: Terminal, program: Group = allVerbs): Promise<number> {
  const isJson = hasSwitch(argv, 'json')
  const path = ['partywall']
  const voice = isJson ? notesAsJson(terminal) : terminal
  try {
    if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
      terminal.print(partywallVersion())
      return exitCodes.done
    }
    const { verb, words } = await find(program, wordsOf(argv), path, voice)
    const { args, flags } = parseVerb(verb, path, words, voice)
    const outcome = await call(verb, { args, flags, program } as Pick<Invocation, 'args' | 'flags' | 'program'>, voice, isJson)
    return exitCodes[outcome]
  } catch (error) {
    return explain(error, { isVerbose: hasSwitch(argv, 'verbose'), isJson, path, terminal })
  }
}

/** `partywall help tenant` is `partywall tenant --help`. */
function wordsOf(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
}

interface FoundVerb {
  readonly verb: Verb
  readonly words: readonly string[]
}

/** Appends to `path` what it recognises, so that an error can name the help to look at. */
async function find(program: Group, argv: readonly string[], path: string[], terminal: Terminal): Promise<FoundVerb> {
  let found: Group | Verb = program
  let words = argv
  while (found.kind === 'group') {
    const [name = '', ...rest] = words
    const load: (() => Promise<Verb | Group>) | undefined = Object.hasOwn(found.verbs, name) ? found.verbs[name] : undefined
    if (load === undefined) return await refuseWords(found, path, words, terminal)
    found = await load()
    path.push(name)
    words = rest
  }
  return { verb: found, words }
}

async function call(
  verb: Verb,
  called: Pick<Invocation, 'args' | 'flags' | 'program'>,
  terminal: Terminal,
  isJson: boolean,
): Promise<keyof typeof exitCodes> {
  let stop: AbortController | undefined
  const progress = openProgress({ terminal, isJson, clock: systemClock })
  try {
    const invocation: Invocation = {
      ...called,
      terminal,
      progress,
      output: openOutput(terminal, isJson),
      get signal() {
        if (stop === undefined) {
          const controller = new AbortController()
          stop = controller
          void terminal.untilStopped().then(() => controller.abort(new AbortedError('Interrupted.')))
        }
        return stop.signal
      },
    }
    return (await verb.run(invocation)) ?? 'done'
  } finally {
    progress.finish()
  }
}

interface Explanation {
  readonly isVerbose: boolean
  readonly isJson: boolean
  /** What was recognised of the command. */
  readonly path: readonly string[]
  readonly terminal: Terminal
}

function explain(error: unknown, explanation: Explanation): number {
  if (error instanceof CommanderError) return explainCall(error, explanation)
  const { isVerbose, isJson, terminal } = explanation
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  const code = error instanceof TenancyError ? error.code : undefined
  if (isJson) {
    terminal.note(printable(JSON.stringify({ kind: 'error', code, message, ...(isVerbose && { stack }) })))
  } else {
    terminal.note(`partywall: ${message}`)
    if (code !== undefined && !(error instanceof ConfigurationError)) {
      terminal.note(`  ${code}: docs/reference/errors.md says when it happens and what to do.`)
    }
    if (isVerbose && stack !== undefined) terminal.note(stack)
  }
  if (error instanceof AbortedError) return exitCodes.interrupted
  return error instanceof ConfigurationError ? exitCodes.usage : exitCodes.failed
}

/** Help that was asked for has been printed. Everything else that commander throws is about how the command was written. */
function explainCall(error: CommanderError, { isJson, path, terminal }: Explanation): number {
  if (error.code === 'commander.helpDisplayed') return exitCodes.done
  if (error.code === 'commander.help') return exitCodes.usage
  const message = error.message
    .replace(/^error: /, '')
    .replace('unknown command', 'unknown verb')
    .replaceAll('\n', ' ')
  if (isJson) terminal.note(printable(JSON.stringify({ kind: 'error', code: ConfigurationError.code, message })))
  else terminal.note(`partywall: ${printable(message)}\n  ${path.join(' ')} --help says how it is called.`)
  return exitCodes.usage
}

/** Under --json both streams carry one object a line, so that a machine reads either without guessing. */
function notesAsJson(terminal: Terminal): Terminal {
  return { ...terminal, note: (message) => terminal.note(printable(JSON.stringify({ kind: 'note', message }))) }
}
