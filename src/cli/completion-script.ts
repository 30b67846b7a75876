// Completion scripts. Each is a table of what may follow which verb, and a few lines of the shell that look it up.

import { ConfigurationError } from '../errors.ts'
import { flagText } from './command.ts'
import type { DescribedVerb } from './described-verbs.ts'

/** The shells that have a script. */
export const shells = ['bash', 'zsh', 'fish'] as const

/** @throws {ConfigurationError} for another shell. */
export function completionScript(shell: string, verbs: readonly DescribedVerb[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(verbs)
    case 'zsh':
      return zshScript(verbs)
    case 'fish':
      return fishScript(verbs)
    default:
      throw new ConfigurationError(`There are no completions for ${JSON.stringify(shell)}. One of: ${shells.join(', ')}.`)
  }
}

interface Choice {
  readonly word: string
  readonly about: string
}

/** By the verbs typed so far, joined with spaces. The key of the first word is empty. */
function choicesByPath(verbs: readonly DescribedVerb[]): ReadonlyMap<string, readonly Choice[]> {
  const found = new Map<string, Choice[]>([['', [{ word: 'help', about: 'Print the help of a verb' }]]])
  for (const { path, node, flags } of verbs) {
    const parent = path.slice(0, -1).join(' ')
    found.set(parent, [...(found.get(parent) ?? []), { word: path.at(-1) ?? '', about: node.summary }])
    found.set(path.join(' '), [
      ...(found.get(path.join(' ')) ?? []),
      ...Object.entries(flags).map(([name, flag]) => ({ word: flagText(name), about: flag.about })),
      { word: '--help', about: 'print the help' },
    ])
  }
  return found
}

/** What may follow a flag that has its values listed, by verbs and flag. */
function valuesByFlag(verbs: readonly DescribedVerb[]): readonly (readonly [string, readonly string[]])[] {
  return verbs.flatMap(({ path, flags }) =>
    Object.entries(flags).flatMap(([name, flag]) =>
      flag.kind === 'choice' ? [[`${path.join(' ')} ${flagText(name)}`, flag.of] as const] : [],
    ),
  )
}

/** The verbs typed so far: the longest run of words that the table knows. Plain loops, which bash 3 of macOS has too. */
function bashScript(verbs: readonly DescribedVerb[]): string {
  const cases = [...choicesByPath(verbs)].map(
    ([path, choices]) => `    ${quoted(path)}) words=${quoted(choices.map(({ word }) => word).join(' '))} ;;`,
  )
  const values = valuesByFlag(verbs).map(([key, of]) => `    ${quoted(key)}) words=${quoted(of.join(' '))} ;;`)
  const known = [...choicesByPath(verbs).keys()].filter((path) => path !== '').map(quoted)
  return `# partywall in bash: source <(partywall completions bash)
_partywall() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' next words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${known.join('|')}) path="$next" ;;
      *) break ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${values.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _partywall partywall`
}

function zshScript(verbs: readonly DescribedVerb[]): string {
  const described = ({ word, about }: Choice): string => quoted(`${word.replaceAll(':', '\\:')}:${about}`)
  const cases = [...choicesByPath(verbs)].map(([path, choices]) => `    ${quoted(path)}) choices=(${choices.map(described).join(' ')}) ;;`)
  const values = valuesByFlag(verbs).map(([key, of]) => `    ${quoted(key)}) choices=(${of.map(quoted).join(' ')}) ;;`)
  const known = [...choicesByPath(verbs).keys()].filter((path) => path !== '').map(quoted)
  return `#compdef partywall
# partywall in zsh: partywall completions zsh > ~/.zfunc/_partywall, with ~/.zfunc in fpath
_partywall() {
  local path_so_far='' next i
  local -a choices
  for ((i = 2; i < CURRENT; i++)); do
    next="\${path_so_far:+$path_so_far }\${words[i]}"
    case "$next" in
      ${known.join('|')}) path_so_far="$next" ;;
      *) break ;;
    esac
  done
  case "$path_so_far" in
${cases.join('\n')}
  esac
  case "$path_so_far \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  _describe 'partywall' choices || _files
}
if [ "\${funcstack[1]}" = _partywall ]; then _partywall "$@"; else compdef _partywall partywall; fi`
}

function fishScript(verbs: readonly DescribedVerb[]): string {
  const lines = verbs.flatMap(({ path, node, flags }) => {
    const parent = path.slice(0, -1)
    return [
      `complete -c partywall -n ${quoted(`__partywall_at ${parent.join(' ')}`)} -f -a ${quoted(path.at(-1) ?? '')} -d ${quoted(node.summary)}`,
      ...Object.entries(flags).map(([name, flag]) => {
        const value = flag.kind === 'switch' ? '' : flag.kind === 'choice' ? ` -x -a ${quoted(flag.of.join(' '))}` : ' -r'
        const long = flagText(name).slice(2)
        return `complete -c partywall -n ${quoted(`__partywall_within ${path.join(' ')}`)} -l ${long}${value} -d ${quoted(flag.about)}`
      }),
    ]
  })
  return `# partywall in fish: partywall completions fish > ~/.config/fish/completions/partywall.fish
function __partywall_within
  set -l words (commandline -opc)
  set -e words[1]
  test (count $words) -ge (count $argv); or return 1
  test (count $argv) -eq 0; and return 0
  test "$words[1..(count $argv)]" = "$argv"
end
function __partywall_at
  set -l words (commandline -opc)
  test (count $words) -eq (math (count $argv) + 1); and __partywall_within $argv
end
${lines.join('\n')}
complete -c partywall -l help -s h -d 'print the help'`
}

/** One word to any of the three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
