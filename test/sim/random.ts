/** The generator of the simulation is the link emulator's. */
export { SeededRandom } from '../../tools/linkem/random.js'
