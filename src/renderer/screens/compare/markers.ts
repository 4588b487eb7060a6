/** Points of runs, told apart by their shape too. */
const markers = ['circle', 'triangle', 'diamond', 'rect', 'arrow', 'roundRect'] as const;

export function markerOf(place: number): (typeof markers)[number] {
  return markers[place % markers.length] ?? 'circle';
}
