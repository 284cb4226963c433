/**
 * What V8 makes of the requests and responses of Express.
 *
 * @module
 */

/** Whether V8 shares no shapes among objects whose prototypes were set: so in Node 20 and 22. */
const SHARES_NONE = Number.parseInt(process.versions.v8, 10) < 13

const mark = Symbol('coatcheck shape')

/**
 * Frees an object from shapes that it shares with no other, which make all that follows dear.
 *
 * Express sets the prototype of each request and response, after which older V8 makes a shape of more than a kilobyte for every
 * property that is added to one, and looks up anew each property that is read, a hundred times a request. An object that a
 * property was deleted from becomes a table of properties instead; a table needs no shape. Nothing else about it changes.
 */
export function dropShape(object: object): void {
  if (!SHARES_NONE) return
  Reflect.set(object, mark, true)
  Reflect.deleteProperty(object, mark)
}
