// A process that dies at a given call of any port: before it is made, or after it was made and before anybody heard of it.

/** Thrown by every call of a process that is dead. */
class Killed extends Error {}

export interface Death {
  /** The call at which it dies, counted from 0 over all ports. */
  readonly call: number
  /** Was the call made? */
  readonly isMade: boolean
}

export class Mortal {
  readonly #death: Death
  #calls = 0
  isDead = false

  constructor(death: Death) {
    this.#death = death
  }

  /** The port, as the mortal process sees it. */
  port<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name)
        if (typeof value !== 'function') return value
        return async (...parameters: unknown[]): Promise<unknown> => {
          const isLast = this.#calls++ === this.#death.call
          if (this.isDead || (isLast && !this.#death.isMade)) throw this.#killed()
          const result: unknown = await Reflect.apply(value, object, parameters)
          if (this.isDead || isLast) throw this.#killed()
          return result
        }
      },
    })
  }

  #killed(): Killed {
    this.isDead = true
    return new Killed('The process is dead.')
  }
}
