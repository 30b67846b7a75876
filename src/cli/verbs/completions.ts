// partywall completions: scripts that teach a shell the verbs, from the same definitions that the help is made of.

import { completionScript, shells } from '../completion-script.ts'
import { describeVerbs } from '../described-verbs.ts'
import { verb } from '../verb.ts'

export const completions = verb({
  summary: 'Print a script that completes partywall in a shell',
  args: { shell: `one of ${shells.join(', ')}` },
  examples: [
    'source <(partywall completions bash)',
    'partywall completions zsh > ~/.zfunc/_partywall',
    'partywall completions fish > ~/.config/fish/completions/partywall.fish',
  ],
  async run({ args: { shell }, output, program }) {
    const script = completionScript(shell, await describeVerbs(program))
    output.value(script, { shell, script })
  },
})
