// Every verb there is, spelled out: for completions, and for the tests that hold each of them to the same promises.

import { flagsOfEveryVerb } from './command.ts'
import type { Flag, Group, Verb } from './verb.ts'

export interface DescribedVerb {
  /** Without `partywall`: `['tenant', 'create']`. */
  readonly path: readonly string[]
  readonly node: Verb | Group
  /** Its own and those of every verb. A group has none. */
  readonly flags: Readonly<Record<string, Flag>>
}

/** Groups come before their verbs. */
export async function describeVerbs(program: Group, path: readonly string[] = []): Promise<readonly DescribedVerb[]> {
  const found: DescribedVerb[] = []
  for (const [name, load] of Object.entries(program.verbs)) {
    const node = await load()
    const here = [...path, name]
    found.push({ path: here, node, flags: node.kind === 'verb' ? { ...node.flags, ...flagsOfEveryVerb } : {} })
    if (node.kind === 'group') found.push(...(await describeVerbs(node, here)))
  }
  return found
}
