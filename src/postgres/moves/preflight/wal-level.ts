// A log in which rows can be read, on both sides: after the switch the target sends the rows back.

import { type MoveCheck, onEachServer } from '../check.ts'

export const walLevel: MoveCheck = {
  rule: 'wal-level',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, ({ server: { settings } }) =>
      settings['wal_level'] === 'logical'
        ? []
        : [
            {
              object: 'wal_level',
              problem: `It is ${settings['wal_level']}: rows cannot be read from the log. The change takes a restart of the server; a service of a cloud has a switch of its own for it.`,
              fix: 'alter system set wal_level = logical;',
            },
          ],
    ),
}
