// What a verb of the command line is: one file that parses, calls and prints. All of one, src/cli/verbs/server/drain.ts:
//
//   export const drain = verb({
//     summary: 'Move every tenant off a server',
//     args: { server: 'its name' },                                    // { about, optional: true } and { about, many: true } too
//     flags: {
//       reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true },
//       atOnce: { kind: 'number', value: 'n', about: 'tenants moved side by side', min: 1, max: 64, default: 4 },  // --at-once
//       order: { kind: 'choice', of: ['size', 'name'], about: 'who goes first', default: 'size' },
//       dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
//     },
//     examples: ['partywall server drain pg-3 --reason "out of warranty"'],
//     needs: 'PARTYWALL_CATALOG_URL and PARTYWALL_ADMIN_URL',
//     async run({ args, flags, output, progress, signal, terminal }) {
//       // args.server: string. flags.reason: string. flags.atOnce: number. flags.order: 'size' | 'name'. flags.dryRun: boolean.
//       const { moved, failed } = await drainServer(args.server, { ...flags, signal, onEvent: (event) => progress.event(event) })
//       output.record({ moved, failed })                                 // a line for each field, or with --json one object
//       return failed > 0 ? 'partly' : 'done'                            // the exit code, by its name; nothing is 'done'
//     },
//   })
//
// It is called through one line in its group, src/cli/verbs/server.ts, or in src/cli/all-verbs.ts if it has no group:
//   drain: async () => (await import('./server/drain.ts')).drain,
// --json, --verbose and --help come with it; completions, the tests of every verb and the list in --help find it there.

import type { Readable, Writable } from 'node:stream'
import type { Outcome } from './exit-codes.ts'
import type { Output } from './output.ts'
import type { Progress } from './progress.ts'

/** The world outside, handed in so that tests own it. `process.env` is read in main.ts. */
export interface Terminal {
  /** A line on standard output: what was asked for, and nothing else. */
  print(line: string): void
  /** A line on standard error: everything that is said beside it. */
  note(line: string): void
  /** Where progress is drawn: the text, of one line or more, stands below all lines until the next replaces it. Empty text takes it away. */
  draw(text: string): void
  /** Are standard output and standard error both a terminal? Then `draw` shows; else it must not be called. */
  readonly isTerminal: boolean
  /** How wide it is, in characters. */
  readonly columns: number
  /** Somebody who can be asked: standard input and output are a terminal, and this is no CI. */
  readonly interactive: { readonly input: Readable; readonly output: Writable } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Resolves when the user wants the program to end: Ctrl-C, SIGTERM. Who never calls it is ended by the signal. */
  untilStopped(): Promise<void>
}

/** A word after the verb. */
export interface Arg {
  readonly about: string
  readonly optional?: true
  /** This word and all that follow. Only the last may. */
  readonly many?: true
}

/** In the order of the command line. A text is the `about` of a word that must be there. */
export type Args = Readonly<Record<string, Arg | string>>

interface FlagText {
  readonly about: string
  /** What stands for the value in the help: `--reason <why>`. */
  readonly value?: string
}

/** What follows `--name`. A flag without `required` or `default` may be undefined. */
export type Flag =
  | (FlagText & { readonly kind: 'switch' })
  | (FlagText & { readonly kind: 'text'; readonly required?: true; readonly default?: string })
  /** Separated by commas, or given several times. Empty when absent. */
  /** `isWhole`: not separated by commas, for values that have some of their own. */
  | (FlagText & { readonly kind: 'list'; readonly isWhole?: true })
  | (FlagText & { readonly kind: 'choice'; readonly of: readonly string[]; readonly required?: true; readonly default?: string })
  /** A whole number, bounds included. */
  | (FlagText & {
      readonly kind: 'number'
      readonly min: number
      readonly max: number
      readonly required?: true
      readonly default?: number
    })

/** By name in camelCase: `dryRun` is `--dry-run`. */
export type Flags = Readonly<Record<string, Flag>>

type ArgValue<A extends Arg | string> = A extends { many: true }
  ? readonly string[]
  : A extends { optional: true }
    ? string | undefined
    : string

type FlagValue<F extends Flag> = F extends { kind: 'switch' }
  ? boolean
  : F extends { kind: 'list' }
    ? readonly string[]
    :
        | (F extends { kind: 'number' } ? number : F extends { kind: 'choice'; of: readonly (infer C)[] } ? C : string)
        | (F extends { required: true } ? never : F extends { default: string | number } ? never : undefined)

/** How a verb was called, and what it may use to answer. */
export interface Invocation<A extends Args = Args, F extends Flags = Flags> {
  readonly args: { readonly [Name in keyof A]: ArgValue<A[Name]> }
  readonly flags: { readonly [Name in keyof F]: FlagValue<F[Name]> }
  readonly terminal: Terminal
  /** The answer: for people, or with `--json` one object a line. */
  readonly output: Output
  /** How far long work is: a bar, lines, or with `--json` events. Quiet until it is started. */
  readonly progress: Progress
  /** Aborts on Ctrl-C and SIGTERM, for work that stops between two steps. Who never reads it is ended by the signal. */
  readonly signal: AbortSignal
  /** All verbs, for the one that describes them. */
  readonly program: Group
}

interface Definition<A extends Args, F extends Flags> {
  /** One line, for the list of verbs. */
  readonly summary: string
  /** What else must be known before it is called: sentences, wrapped by the help. */
  readonly details?: string
  readonly args?: A
  readonly flags?: F
  /** Whole command lines that work as they stand. At least one. */
  readonly examples: readonly [string, ...string[]]
  /** What must be set up: variables of the environment, or files. */
  readonly needs?: string
  /** Rejects with what went wrong; a TenancyError says what to do. Resolves to how it ended, if not simply done. */
  run(invocation: Invocation<A, F>): Promise<Outcome | undefined> | Promise<void>
}

/** A verb, whatever its words and flags are. */
export interface Verb extends Definition<Args, Flags> {
  readonly kind: 'verb'
  readonly args: Args
  readonly flags: Flags
}

/** Verbs about one thing: `partywall tenant create`. Each is loaded when it is called. */
export interface Group {
  readonly kind: 'group'
  readonly summary: string
  readonly details?: string
  readonly examples: readonly [string, ...string[]]
  readonly verbs: Readonly<Record<string, () => Promise<Verb | Group>>>
}

/** Defines a verb. The types of its words and flags follow from the definition. */
export function verb<const A extends Args = Record<never, never>, const F extends Flags = Record<never, never>>(
  definition: Definition<A, F>,
): Verb {
  // The parser hands over exactly what args and flags describe: that is what makes the wider type true.
  return { ...(definition as unknown as Definition<Args, Flags>), kind: 'verb', args: definition.args ?? {}, flags: definition.flags ?? {} }
}

/** Defines a group of verbs. */
export function group(definition: Omit<Group, 'kind'>): Group {
  return { ...definition, kind: 'group' }
}
