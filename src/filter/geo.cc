// See geo.h.
#include "filter/geo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ferres {

bool is_on_earth(const GeoPoint& point) {
  return std::abs(point.lat) <= 90 && std::abs(point.lon) <= 180;
}

double distance_meters(const GeoPoint& a, const GeoPoint& b) {
  constexpr double kEarthRadiusMeters = 6371008.8;  // mean radius, IUGG
  constexpr double kRadians = std::numbers::pi / 180;
  const double sin_lat = std::sin((b.lat - a.lat) * kRadians / 2);
  const double sin_lon = std::sin((b.lon - a.lon) * kRadians / 2);
  const double h = sin_lat * sin_lat +
                   std::cos(a.lat * kRadians) * std::cos(b.lat * kRadians) * sin_lon * sin_lon;
  return 2 * kEarthRadiusMeters * std::asin(std::sqrt(std::min(1.0, h)));
}

bool contains(const GeoBox& box, const GeoPoint& point) {
  if (point.lat > box.top_left.lat || point.lat < box.bottom_right.lat) return false;
  const double left = box.top_left.lon;
  const double right = box.bottom_right.lon;
  if (left <= right) return point.lon >= left && point.lon <= right;
  return point.lon >= left || point.lon <= right;
}

}  // namespace ferres
