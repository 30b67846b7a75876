// A verb or a group as commander's command: its options, its help, its suggestions for what was mistyped.

import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { Arg, Flag, Group, Terminal, Verb } from './verb.ts'

/** Flags that every verb has. */
export const flagsOfEveryVerb = {
  json: { kind: 'switch', about: 'print one JSON object a line, for machines' },
  verbose: { kind: 'switch', about: 'print the stack of an error too' },
} as const satisfies Readonly<Record<string, Flag>>

export interface ParsedVerb {
  readonly args: Readonly<Record<string, unknown>>
  readonly flags: Readonly<Record<string, unknown>>
}

/** Below this, wrapped help reads worse than help that runs over. */
const helpWidthMin = 60
const helpWidthMax = 120

/**
 * Reads the words after a verb.
 *
 * @throws {CommanderError} for what does not fit, or when help was asked for and has been printed.
 */
export function parseVerb(verb: Verb, path: readonly string[], words: readonly string[], terminal: Terminal): ParsedVerb {
  const command = verbCommand(verb, path, terminal)
  command.parse(words, { from: 'user' })
  const names = Object.keys(verb.args)
  return {
    args: Object.fromEntries(names.map((name, at) => [name, command.processedArgs[at]])),
    flags: Object.fromEntries(Object.entries(verb.flags).map(([name, flag]) => [name, command.getOptionValue(name) ?? absent(flag)])),
  }
}

/** Prints a group's help, or says what is wrong with a word that is none of its verbs. It always throws a CommanderError. */
export async function refuseWords(group: Group, path: readonly string[], words: readonly string[], terminal: Terminal): Promise<never> {
  const command = await groupCommand(group, path, terminal)
  command.parse(words, { from: 'user' })
  return command.help({ error: true })
}

/** `dryRun` as it is typed: `--dry-run`. */
export function flagText(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** A word of the command line, whichever way it was defined. */
export function argOf(definition: Arg | string): Arg {
  return typeof definition === 'string' ? { about: definition } : definition
}

/** Is `--json` among these words, before a `--` that ends the options? */
export function hasSwitch(words: readonly string[], name: keyof typeof flagsOfEveryVerb): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? words.length : end).includes(flagText(name))
}

function verbCommand(verb: Verb, path: readonly string[], terminal: Terminal): Command {
  const command = baseCommand(path, terminal).description(
    paragraphs(`${verb.summary}.`, verb.details, verb.needs && `Needs ${verb.needs}.`),
  )
  for (const [name, definition] of Object.entries(verb.args)) {
    const arg = argOf(definition)
    const word = arg.many === true ? `${name}...` : name
    command.addArgument(new Argument(arg.optional === true ? `[${word}]` : `<${word}>`, arg.about))
  }
  for (const [name, flag] of Object.entries({ ...verb.flags, ...flagsOfEveryVerb })) command.addOption(optionOf(name, flag))
  return command.addHelpText('after', examplesText(verb.examples))
}

async function groupCommand(group: Group, path: readonly string[], terminal: Terminal): Promise<Command> {
  const command = baseCommand(path, terminal)
    .description(paragraphs(`${group.summary}.`, group.details))
    .usage('<verb> [options]')
  for (const [name, load] of Object.entries(group.verbs)) {
    const { summary } = await load()
    command.addCommand(new Command(name).description(summary).usage('').helpOption(false))
  }
  command.addHelpText('after', `\n${[...path, '<verb>'].join(' ')} --help says more.\n${examplesText(group.examples)}`)
  return command
}

function baseCommand(path: readonly string[], terminal: Terminal): Command {
  const width = Math.min(Math.max(terminal.columns, helpWidthMin), helpWidthMax)
  const lines = (text: string): string => text.trimEnd()
  return new Command(path.join(' '))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(lines(text)),
      writeErr: (text) => terminal.note(lines(text)),
      // The error is thrown too, and printed once, by the one who catches it.
      outputError: () => {},
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ subcommandTerm: (sub) => sub.name(), styleTitle: (title) => title.replace('Commands:', 'Verbs:') })
    .helpOption('-h, --help', 'print this')
    .helpCommand(false)
    .allowExcessArguments(false)
}

function optionOf(name: string, flag: Flag): Option {
  if (flag.kind === 'switch') return new Option(flagText(name), flag.about)
  const isRequired = flag.kind !== 'list' && flag.required === true
  const about = isRequired ? `${flag.about} (required)` : flag.about
  const option = new Option(`${flagText(name)} <${flag.value ?? (flag.kind === 'number' ? 'n' : flag.kind)}>`, about)
  switch (flag.kind) {
    case 'text':
      option.argParser(notBlank)
      break
    case 'list':
      return option.argParser((given: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        ...(flag.isWhole === true ? [notBlank(given)] : listed(given)),
      ])
    case 'choice':
      option.choices(flag.of)
      break
    case 'number':
      option.argParser((given) => wholeNumber(given, flag.min, flag.max))
      break
  }
  if (flag.default !== undefined) option.default(flag.default)
  return option.makeOptionMandatory(isRequired)
}

function absent(flag: Flag): unknown {
  if (flag.kind === 'switch') return false
  return flag.kind === 'list' ? [] : undefined
}

function notBlank(given: string): string {
  if (given.trim() !== '') return given
  throw new InvalidArgumentError('It must say something.')
}

function listed(given: string): readonly string[] {
  return given.split(',').filter((item) => item !== '')
}

function wholeNumber(given: string, min: number, max: number): number {
  const value = Number(given)
  // 1e1 and 0x10 are numbers to JavaScript, and slips of the finger to people.
  if (/^(0|[1-9][0-9]{0,14})$/.test(given) && value >= min && value <= max) return value
  throw new InvalidArgumentError(`It must be a whole number, ${min} to ${max}.`)
}

function paragraphs(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join('\n\n')
}

function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`
}
