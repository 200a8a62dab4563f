// Where the frame lies on the stage: frame pixels to CSS pixels and back.

const LEAST = 0.02;
const MOST = 64;
const MARGIN = 24;

export class View {
  scale = 1;
  x = 0;
  y = 0;
  isFitted = true;

  constructor(width, height) {
    this.width = width;
    this.height = height;
  }

  fit(stageWidth, stageHeight) {
    const room = [(stageWidth - 2 * MARGIN) / this.width, (stageHeight - 2 * MARGIN) / this.height];
    this.scale = Math.max(LEAST, Math.min(...room));
    this.x = (stageWidth - this.width * this.scale) / 2;
    this.y = (stageHeight - this.height * this.scale) / 2;
    this.isFitted = true;
  }

  zoom(factor, x, y) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = false;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.isFitted = false;
  }

  toFrame(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toStage([x, y]) {
    return [this.x + x * this.scale, this.y + y * this.scale];
  }

  contains([x, y]) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  // The nearest corner between pixels: boxes and outlines run along these.
  corner([x, y]) {
    return [clamp(Math.round(x), 0, this.width), clamp(Math.round(y), 0, this.height)];
  }

  // The centre of the pixel: clicks and strokes are on pixels.
  centre([x, y]) {
    return [
      clamp(Math.floor(x), 0, this.width - 1) + 0.5,
      clamp(Math.floor(y), 0, this.height - 1) + 0.5,
    ];
  }
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
