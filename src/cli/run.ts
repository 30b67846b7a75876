// The command line: finds the verb, parses its options, prints what went wrong and what to do about it.

import { type ParseArgsConfig, parseArgs } from 'node:util'
import { ConfigurationError, TenancyError } from '../errors.ts'
import type { Terminal, Verb } from './verb.ts'

/** Loaded when it is called: `token` must not wait for what `dev` needs. */
const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  dev: async () => (await import('./verbs/dev.ts')).dev,
  init: async () => (await import('./verbs/init.ts')).init,
  token: async () => (await import('./verbs/token.ts')).token,
  tenant: async () => (await import('./verbs/tenant.ts')).tenant,
  apikey: async () => (await import('./verbs/apikey.ts')).apikey,
}

/** Exit codes: done, failed, called wrongly. */
export const exitCodes = Object.freeze({ done: 0, failed: 1, usage: 2 })

const everyVerb = {
  help: { type: 'boolean', short: 'h' },
  verbose: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options']

/** Runs one command. @returns its exit code. Never throws. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      const asked = rest[0] === undefined ? undefined : await load(rest[0])
      terminal.print(asked?.usage ?? (await overview()))
      return name === undefined ? exitCodes.usage : exitCodes.done
    }
    const verb = await load(name)
    const { positionals, values } = parse(rest, verb)
    if (values['help'] === true) terminal.print(verb.usage)
    else await verb.run({ args: positionals, flags: values, terminal })
    return exitCodes.done
  } catch (error) {
    return explain(error, argv.includes('--verbose'), terminal)
  }
}

async function load(name: string): Promise<Verb> {
  const found = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (found === undefined) {
    throw new ConfigurationError(`${JSON.stringify(name)} is not a verb. One of: ${Object.keys(verbs).join(', ')}. See partywall --help.`)
  }
  return await found()
}

function parse(args: readonly string[], verb: Verb) {
  try {
    return parseArgs({ args: [...args], options: { ...verb.options, ...everyVerb }, allowPositionals: true, strict: true }) as {
      readonly positionals: readonly string[]
      readonly values: Readonly<Record<string, string | boolean | undefined>>
    }
  } catch (error) {
    throw new ConfigurationError(`${(error as Error).message}\n\n${verb.usage}`, { cause: error })
  }
}

async function overview(): Promise<string> {
  const lines = await Promise.all(Object.entries(verbs).map(async ([name, get]) => `  ${name.padEnd(8)} ${(await get()).summary}`))
  return [
    'partywall <verb> [options]',
    '',
    ...lines,
    '',
    'partywall <verb> --help says more. With --verbose, errors come with their stack.',
  ].join('\n')
}

function explain(error: unknown, isVerbose: boolean, terminal: Terminal): number {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  terminal.note(`partywall: ${message}`)
  if (error instanceof TenancyError && !(error instanceof ConfigurationError)) {
    terminal.note(`  ${error.code}: docs/reference/errors.md says when it happens and what to do.`)
  }
  if (isVerbose && stack !== undefined) terminal.note(stack)
  return error instanceof ConfigurationError ? exitCodes.usage : exitCodes.failed
}
