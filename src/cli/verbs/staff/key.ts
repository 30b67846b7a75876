// partywall staff key: a key pair of one's own, made where the private half stays.

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { newStaffKey } from '../../../core/staff.ts'
import { ConfigurationError } from '../../../errors.ts'
import { writePrivately } from '../../private-file.ts'
import { verb } from '../../verb.ts'

export const key = verb({
  summary: 'Make your key pair, and print its public half',
  details: 'Needs no database. The private half is written to the file, which only you can read, and goes nowhere else.',
  args: { file: 'where your private key is to be' },
  examples: ['partywall staff key ~/ada.key'],
  async run({ args, output, terminal }) {
    const file = resolve(terminal.cwd, args.file)
    const isThere = await stat(file).then(
      () => true,
      () => false,
    )
    if (isThere) throw new ConfigurationError(`${file} is there already, and may be a key in use. Name another file.`)
    const { privateKey, publicKey } = newStaffKey()
    await writePrivately(file, privateKey)
    terminal.note(`Keep ${file} to yourself. Whoever adds you needs the public key:`)
    output.value(publicKey, { publicKey, file })
  },
})
